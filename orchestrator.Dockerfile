# The API, the workers and the migrations: one image, three commands.
#
#   docker build -f orchestrator.Dockerfile -t irisvue .
#   docker run --rm --env-file .env -p 8000:8000 irisvue api --host 0.0.0.0
FROM python:3.12-slim-bookworm AS build
COPY requirements-server.lock pyproject.toml README.md LICENSE /src/
RUN python -m venv /opt/irisvue \
    && /opt/irisvue/bin/pip install --no-cache-dir --no-deps --require-hashes -r /src/requirements-server.lock \
    && /opt/irisvue/bin/pip install --no-cache-dir "setuptools>=77"
COPY orchestrator /src/orchestrator
COPY export /src/export
COPY irisvue /src/irisvue
RUN /opt/irisvue/bin/pip install --no-cache-dir --no-deps --no-build-isolation /src

FROM python:3.12-slim-bookworm
COPY --from=build /opt/irisvue /opt/irisvue
COPY --chown=1000:1000 model_repository /models
ENV PATH=/opt/irisvue/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 IRISVUE_MODEL_REPOSITORY=/models
USER 1000:1000
EXPOSE 8000 9100
ENTRYPOINT ["irisvue"]
CMD ["api", "--host", "0.0.0.0"]
