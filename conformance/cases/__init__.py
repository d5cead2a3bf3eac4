"""Where cases come from: random arrays, the matrix of sizes and options, and the linter that refuses weak ones."""
