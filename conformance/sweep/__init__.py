"""Random cases by the million: drawn, judged, arbitrated, and what disagrees made small."""
