# The API, the workers and the migrations: one image, three commands.
#
#   docker build -f orchestrator.Dockerfile -t irisvue .
#   docker run --rm --env-file .env -p 8000:8000 irisvue api --host 0.0.0.0
FROM python:3.12-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-server.lock /src/
# pip and setuptools stay in an environment of their own, which is left behind.
RUN python -m venv /opt/build \
    && python -m venv --without-pip /opt/irisvue \
    && /opt/build/bin/pip --python /opt/irisvue/bin/python install --no-cache-dir --no-deps --require-hashes -r /src/requirements-server.lock \
    && /opt/build/bin/pip install --no-cache-dir "setuptools>=77"
COPY pyproject.toml README.md LICENSE /src/
COPY irisvue /src/irisvue
COPY orchestrator /src/orchestrator
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels /src \
    && /opt/build/bin/pip --python /opt/irisvue/bin/python install --no-cache-dir --no-deps /wheels/*.whl
COPY deploy/image/slim.py /src/
RUN /opt/irisvue/bin/python -I /src/slim.py

FROM python:3.12-slim-bookworm
COPY --from=build /opt/irisvue /opt/irisvue
COPY model_repository /opt/models
RUN mkdir /models && chown 1000:1000 /models
ENV PATH=/opt/irisvue/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    IRISVUE_MODEL_REPOSITORY=/models IRISVUE_SHIPPED_MODELS=/opt/models
USER 1000:1000
EXPOSE 8000 9100
ENTRYPOINT ["irisvue"]
CMD ["api", "--host", "0.0.0.0"]
