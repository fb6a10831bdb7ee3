# Rondo's one image: a static program, the authorities to check others' certificates by, and nothing else.
#
#   docker build --tag rondo:0.1.0 .
#
# Dependencies are built in a layer of their own, which lasts until they change.
FROM rust:1.95-bookworm AS chef
RUN cargo install --locked cargo-chef@0.1.78
# Without shared libraries a program runs on an empty image. Not for the tool above, which is built for its host alone:
# its macros have to be shared libraries.
ENV RUSTFLAGS="-C target-feature=+crt-static"
WORKDIR /source

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=plan /source/recipe.json .
# The target is named so that the flags are for the program alone, and not for what helps to build it.
RUN cargo chef cook --release --locked --package rondo --target "$(rustc --print host-tuple)" --recipe-path recipe.json
COPY . .
RUN cargo build --release --locked --package rondo --target "$(rustc --print host-tuple)" \
    && install -D "target/$(rustc --print host-tuple)/release/rondo" /image/rondo \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

# checkov:skip=CKV_DOCKER_2:whether a process is well is asked over HTTP by the cluster; see k8s/base/process.yaml
FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Rondo" \
    org.opencontainers.image.description="Orders as orchestrated sagas, on PostgreSQL and NATS JetStream" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
# Nobody in particular. The program writes no file: the root can be read only.
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/rondo"]
CMD ["--help"]
