"""What people look at: figures, tables, live views, and pictures from kept weights."""
