# The image of a training job: Python, the pinned packages of training and cloud, and the job's code in /app.
#
# The experiment is not in it: it travels as experiment.json in the run's folder, so that editing one builds nothing.
# GPU libraries come with torch's own wheels, which pin them exactly; the machine brings the driver.

FROM python:3.11.13-slim-bookworm AS dependencies
COPY requirements.lock /
# A line of the lock reads "torch==2.13.0  # 196.0 MB; training": the pin, its size, and the extras that need it.
RUN sed -nE '/; .*(core|cloud|training)/s/ .*//p' /requirements.lock > /pins.txt \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --requirement /pins.txt

FROM python:3.11.13-slim-bookworm
RUN useradd --uid 1000 --create-home trainer
COPY --from=dependencies /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY . /app
USER 1000
ENTRYPOINT ["python", "-m", "training.train"]
