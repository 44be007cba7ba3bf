"""What maintainers run: the benchmark, the encoders' training, vendors' sets, the league, blind readings."""
