# NVIDIA Triton with the model repository, on a CPU or (PROFILE=gpu) on a GPU.
#
#   docker build -f triton.Dockerfile -t irisvue-triton .
#   docker run --rm -p 127.0.0.1:8001:8001 irisvue-triton
#   docker run --rm --gpus all -e PROFILE=gpu -v irisvue-plans:/plans -p 127.0.0.1:8001:8001 irisvue-triton
#
# 26.07 or newer: older servers have remote code execution and authentication holes.
ARG TRITON=26.07
FROM nvcr.io/nvidia/tritonserver:${TRITON}-py3

# iris_cutout runs orchestrator.pipeline inside Triton, so that there is one implementation. The Python of this image brings a NumPy of its own.
COPY deploy/triton/requirements.lock deploy/image/slim.py /opt/build/
RUN python3 -m pip install --no-cache-dir --no-deps --no-compile --require-hashes -r /opt/build/requirements.lock \
    && python3 /opt/build/slim.py triton
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
