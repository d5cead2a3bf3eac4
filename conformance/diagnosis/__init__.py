"""From a failed trial to the bugs: the catalogue, the search through it, probing, and the findings in words."""
