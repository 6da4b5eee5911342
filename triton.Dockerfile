# NVIDIA Triton with the model repository, on a CPU or (PROFILE=gpu) on a GPU.
#
#   docker build -f triton.Dockerfile -t irisvue-triton .
#   docker run --rm -p 127.0.0.1:8001:8001 irisvue-triton
#   docker run --rm --gpus all -e PROFILE=gpu -v irisvue-plans:/plans -p 127.0.0.1:8001:8001 irisvue-triton
#
# 26.07 or newer: older servers have remote code execution and authentication holes.
ARG TRITON=26.07
FROM nvcr.io/nvidia/tritonserver:${TRITON}-py3 AS packages
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/triton/requirements.lock deploy/image/slim.py deploy/image/stubs.py /src/
RUN python3 -m pip install --no-cache-dir --no-deps --no-compile --require-hashes --target=/opt/packages -r /src/requirements.lock \
    && python3 /src/stubs.py triton /opt/packages \
    && python3 /src/slim.py triton /opt/packages

FROM nvcr.io/nvidia/tritonserver:${TRITON}-py3
# iris_cutout runs orchestrator.pipeline inside Triton, so that there is one implementation. Python finds its packages by the .pth file; a NumPy of
# the image's own would come before them.
COPY --from=packages /opt/packages /opt/packages
RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip uninstall --yes --quiet numpy \
    && python3 -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'irisvue.pth').write_text('/opt/packages')"
COPY pyproject.toml README.md LICENSE /opt/irisvue/
COPY orchestrator /opt/irisvue/orchestrator
COPY export/__init__.py /opt/irisvue/export/
COPY export/conversion/__init__.py export/conversion/tensorrt.py export/conversion/plan_builder.py \
    /opt/irisvue/export/conversion/
ENV PYTHONPATH=/opt/irisvue
RUN python3 -c "import orchestrator.pipeline.preview"

COPY --chown=1000:1000 model_repository /models
COPY deploy/triton/start.py /opt/start.py
RUN mkdir -p /plans && chown 1000:1000 /plans
USER 1000:1000
VOLUME /plans
EXPOSE 8001 8002
ENTRYPOINT ["python3", "/opt/start.py"]
