"""Progress events: kept in Redis for late readers, pushed to everyone who watches."""
