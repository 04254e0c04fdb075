FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt

# Installed in place: migrations and configuration are read from beside the code.
COPY . .
RUN pip install --no-deps --no-build-isolation -e . && useradd --system --uid 10001 summit \
    && install -d -o summit -m 700 /var/lib/summit /var/lib/summit/files
USER summit

EXPOSE 3100 9464
CMD ["python", "-m", "api.main"]
