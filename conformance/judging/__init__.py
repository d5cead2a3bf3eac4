"""How one result is judged: what error is allowed, where it comes from, and the comparison."""
