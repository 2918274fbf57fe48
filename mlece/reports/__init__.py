"""What people read and pass on: text, tables, dictionaries of plain values."""
