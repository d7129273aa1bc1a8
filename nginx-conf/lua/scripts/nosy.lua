-- Reaches for what it was not given.
return os.getenv("HOME")
