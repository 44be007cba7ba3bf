"""What is kept: run folders, experiments, papermill runs, the README table, figures."""
