"""The addresses of PostgreSQL and Redis: read once, every mistake a sentence, and no password in any of them."""
