"""What lstm_ref's time and memory are, beside others' time: measured, tabulated, drawn, never asserted."""
