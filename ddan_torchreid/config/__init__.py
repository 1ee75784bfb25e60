"""Options of DDAN, and the configuration files and keys that hold them."""
