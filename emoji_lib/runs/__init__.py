"""What is kept: run folders, records, experiments, papermill runs, the queue, the README table."""
