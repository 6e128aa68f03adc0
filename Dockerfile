# All stages are Debian 12: the program is linked against the C library of `build` and runs on that of
# the last. It is compiled on the machine's own architecture for the one that is asked for, because
# an emulated compiler takes an hour. `scripts/check-image` does the same without an engine.

# What it is built from. Before a release `scripts/pin-images` writes the digest behind each tag, and
# `scripts/release` wants them.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG DEBIAN_IMAGE=debian:12-slim
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM --platform=$BUILDPLATFORM $RUST_IMAGE AS tools
# Of libraries, the last stage has only the C library for sure.
ENV LIBZ_SYS_STATIC=1

FROM tools AS build-amd64
ENV CARGO_BUILD_TARGET=x86_64-unknown-linux-gnu \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc
RUN rustup target add "$CARGO_BUILD_TARGET" \
 && if ! command -v x86_64-linux-gnu-gcc; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends gcc-x86-64-linux-gnu libc6-dev-amd64-cross; \
    fi

FROM tools AS build-arm64
ENV CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
RUN rustup target add "$CARGO_BUILD_TARGET" \
 && if ! command -v aarch64-linux-gnu-gcc; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross; \
    fi

FROM build-$TARGETARCH AS build
WORKDIR /build
# The dependencies alone, as a layer that lasts until what Cargo is told changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir -p src benches/headstay examples \
 && echo '//! Stub.' > src/lib.rs \
 && printf '//! Stub.\nfn main() {}\n' | tee src/main.rs examples/sandbox.rs > benches/headstay/main.rs \
 && cargo build --release --locked --no-default-features \
 && rm -r src
COPY . .
# The commit is told by who builds: there is no .git in here. The times tell Cargo that the stubs are
# no longer what was built.
ARG COMMIT=""
RUN find src -exec touch {} + \
 && HEADSTAY_COMMIT="$COMMIT" cargo build --release --locked --no-default-features \
 && cp "target/$CARGO_BUILD_TARGET/release/headstay" .

# Git over ssh needs the program ssh, which the last stage has no packages for: it is copied with the
# libraries that it needs, and with what tells scanners of vulnerabilities that it is there.
FROM $DEBIAN_IMAGE AS ssh
COPY scripts/image-ssh /usr/local/bin/
RUN apt-get update \
 && apt-get install --yes --no-install-recommends openssh-client \
 && image-ssh /ssh \
 && install --directory --mode=0750 /state

# No shell, no package manager; a C library, the authorities for TLS, and a user of the id 65532, whom
# ssh wants to know by name.
FROM $BASE_IMAGE
LABEL org.opencontainers.image.title="headstay" \
      org.opencontainers.image.description="A GitOps sync server for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=ssh /ssh/ /
COPY --from=ssh --chown=65532:65532 /state /var/lib/headstay
COPY --from=build /build/headstay /usr/bin/headstay
ENV HEADSTAY_CONFIG=/etc/headstay
WORKDIR /var/lib/headstay
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["headstay"]
CMD ["serve"]
