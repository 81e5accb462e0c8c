# One image for web, workers and clock; compose.yaml says which is which.
FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --create-home agentops
WORKDIR /srv/agentops
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements/base.txt
COPY . .
USER agentops
EXPOSE 8000
