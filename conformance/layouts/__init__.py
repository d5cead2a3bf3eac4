"""Other people's layouts: the adapter's `Layout`, and the search for one that nobody remembers."""
