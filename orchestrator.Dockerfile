# Two images, each with what its processes load and no more: `api`, and `worker`, which also migrates and has the commands of operators.
#
#   docker build -f orchestrator.Dockerfile --target api -t irisvue-api .
#   docker build -f orchestrator.Dockerfile -t irisvue .
#   docker run --rm --env-file .env -p 8000:8000 irisvue-api
FROM python:3.12-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/image /src/image
# pip and setuptools stay in an environment of their own, which is left behind.
RUN python -m venv /opt/build \
    && python -m venv --without-pip /opt/irisvue \
    && /opt/build/bin/pip install --no-cache-dir --no-deps --require-hashes -r /src/image/build.lock
ENV INSTALL="/opt/build/bin/pip --python /opt/irisvue/bin/python install --no-cache-dir --no-deps --no-compile"

FROM build AS wheel
COPY pyproject.toml README.md LICENSE /src/
COPY irisvue /src/irisvue
COPY orchestrator /src/orchestrator
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels /src

FROM build AS api-packages
COPY requirements-api.lock /src/
RUN $INSTALL --require-hashes -r /src/requirements-api.lock
COPY --from=wheel /wheels /wheels
RUN $INSTALL /wheels/*.whl && /opt/irisvue/bin/python -I /src/image/slim.py api

FROM build AS worker-packages
COPY requirements-server.lock /src/
RUN $INSTALL --require-hashes -r /src/requirements-server.lock
COPY --from=wheel /wheels /wheels
RUN $INSTALL /wheels/*.whl \
    && /opt/irisvue/bin/python -I /src/image/stubs.py worker \
    && /opt/irisvue/bin/python -I /src/image/slim.py worker

FROM python:3.12-slim-bookworm AS base
# Nothing in a container can install packages. The user has a name, which the audit log shows.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/* \
    && useradd --uid 1000 --no-create-home --home-dir /tmp irisvue
ENV PATH=/opt/irisvue/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["irisvue"]

FROM base AS api
COPY --from=api-packages /opt/irisvue /opt/irisvue
USER 1000:1000
EXPOSE 8000
CMD ["api", "--host", "0.0.0.0"]

FROM base AS worker
COPY --from=worker-packages /opt/irisvue /opt/irisvue
COPY model_repository /opt/models
RUN mkdir /models && chown 1000:1000 /models
ENV IRISVUE_MODEL_REPOSITORY=/models IRISVUE_SHIPPED_MODELS=/opt/models
USER 1000:1000
EXPOSE 9100
CMD ["worker"]
