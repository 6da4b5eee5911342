"""The design that one writes down at first for such a service, to measure ours beside.

FastAPI and SQLAlchemy on PostgreSQL; Celery workers with Redis as their broker, each process with the networks in it;
progress is a key in Redis, which every stream reads twice a second. The pipeline and the networks are ours.
"""
