# CONTEXT {'gpu_vendor': 'AMD', 'guest_os': 'UBUNTU'}
ARG BASE_DOCKER=bmvm-guest
FROM ${BASE_DOCKER}
ENV DEMO_VARIANT=a
