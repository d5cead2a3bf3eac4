"""Networks into files of other frameworks, one module for each of them: what it cannot express, its writing, its own run."""
