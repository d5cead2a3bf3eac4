"""What is asserted of a candidate: values against expected ones, and behaviour."""
