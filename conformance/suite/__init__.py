"""The conformance suite proper: pytest modules that compare an implementation with the frameworks."""
