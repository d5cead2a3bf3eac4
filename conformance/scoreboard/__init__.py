"""Other people's LSTMs on trial, each in an environment of its own: the registry, the runner and the table."""
