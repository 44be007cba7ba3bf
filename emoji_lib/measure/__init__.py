"""How good it is: frozen encoders, scores with their uncertainty, collapse through time."""
