"""Progress events: kept in Redis for late readers, pushed to every watcher."""
