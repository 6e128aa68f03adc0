# Both stages are Debian 12: the binary is linked against the C library of the first and runs on
# that of the second.
FROM rust:1.95-bookworm AS build
WORKDIR /build

# The dependencies alone, as a layer that lasts until what Cargo is told changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir src \
 && echo '//! Stub.' > src/lib.rs \
 && printf '//! Stub.\nfn main() {}\n' > src/main.rs \
 && cargo build --release --locked \
 && rm -r src target/release/headstay target/release/deps/*headstay* target/release/.fingerprint/headstay-*

COPY . .
RUN cargo build --release --locked

FROM debian:12-slim
LABEL org.opencontainers.image.title="headstay" \
      org.opencontainers.image.description="A GitOps sync server for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"

# ssh refuses to run for a user id that has no name, hence the user.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 65532 headstay \
 && useradd --uid 65532 --gid 65532 --home-dir /var/lib/headstay --no-create-home --shell /usr/sbin/nologin headstay \
 && install --directory --owner=65532 --group=65532 --mode=0750 /var/lib/headstay

COPY --from=build /build/target/release/headstay /usr/local/bin/headstay

ENV HEADSTAY_CONFIG=/etc/headstay/headstay.yaml
WORKDIR /var/lib/headstay
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["headstay"]
CMD ["serve"]
