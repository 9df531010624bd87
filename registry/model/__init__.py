"""What is stored: frozen structs, one noun per file, and the languages they are described in."""
