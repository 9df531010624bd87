# The registry alone: docker build -t registry . && docker run -p 8500:8500 -v registry:/data registry
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock setup.cfg pyproject.toml README.md ./
COPY registry registry
# The versions of the lock for what a server needs; tests and tools stay outside.
RUN grep '==' requirements.lock >/tmp/versions \
    && python -m venv /opt/registry \
    && /opt/registry/bin/pip install --no-cache-dir --only-binary :all: -c /tmp/versions '.[server]' \
    && /opt/registry/bin/pip uninstall --yes --quiet pip

FROM python:3.12-slim
RUN useradd --system --uid 8500 --home-dir /data registry && install -d -o registry -g registry /data
COPY --from=build /opt/registry /opt/registry
ENV PATH=/opt/registry/bin:$PATH PYTHONDONTWRITEBYTECODE=1 REGISTRY_BIND=0.0.0.0 REGISTRY_DATA_DIR=/data REGISTRY_LOG_FORMAT=json
USER registry
WORKDIR /data
VOLUME /data
EXPOSE 8500
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"REGISTRY_HTTP_PORT\", 8500)}/health', timeout=2)"]
ENTRYPOINT ["registry"]
CMD ["serve"]
