"""A candidate on trial: what it declares, how it is called, what is checked, and the verdict."""
