"""How it learns: losses, augmentation, systems, the loop, checkpoints."""
