"""Files that are damaged or made to do harm; `make test` reads them, `make conformance` has no need to."""
