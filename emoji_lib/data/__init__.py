"""What is learned from: emoji as arrays, and the order in which they reach training."""
