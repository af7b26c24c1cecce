# CONTEXT {'gpu_vendor': 'AMD', 'guest_os': 'UBUNTU'}
ARG BASE_DOCKER=bmvm-guest
FROM ${BASE_DOCKER}
RUN echo "this image cannot be built" && false
