"""What maintainers run: the benchmark, training of the frozen encoders, other vendors' emoji sets."""
