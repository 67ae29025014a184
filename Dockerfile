ARG BASE=python:3.11-slim
FROM ${BASE}
# lab,teach for lecturers: what `autograder` needs
ARG EXTRAS=lab

RUN useradd --create-home --uid 1000 student

# The dependencies first, with an empty package: a change of bdlab then costs seconds, not gigabytes.
# Its build/ has to go: setuptools would take the empty file there for the newer one.
WORKDIR /src
COPY pyproject.toml requirements.lock LICENSE ./
RUN mkdir bdlab && touch bdlab/__init__.py \
 && pip install --no-cache-dir -c requirements.lock ".[${EXTRAS}]" \
 && rm -rf bdlab build *.egg-info

COPY bdlab bdlab
RUN pip install --no-cache-dir --no-deps --force-reinstall . && rm -rf build *.egg-info

USER student
WORKDIR /home/student
COPY --chown=student lessons lessons
EXPOSE 8888
# Lab prints the address with its token when it starts.
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser"]
