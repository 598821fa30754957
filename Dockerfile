# padnet on Debian 13, from the checkout: docker build -t padnet . && docker run --rm -v "$PWD:/work" padnet doctor
# The second stage has Node, libtorch and the installed packages, no compiler.
FROM debian:trixie-slim AS build
ENV DEBIAN_FRONTEND=noninteractive ONNXRUNTIME_NODE_INSTALL=skip
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates nodejs npm g++ cmake make libtorch-dev libopenblas0-pthread \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# What is rarely changed comes first: its layer is kept.
COPY package.json package-lock.json .npmrc ./
COPY packages/torch/package.json packages/torch/
COPY packages/padnet/package.json packages/padnet/
COPY packages/runtime/package.json packages/runtime/
COPY packages/site/package.json packages/site/
RUN npm ci
COPY . .
RUN make build && npm run package -- --out /packed

FROM debian:trixie-slim
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates nodejs npm libtorch2.6 libopenblas0-pthread dataset-fashion-mnist \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /packed /packed
RUN npm install --global --no-audit --no-fund /packed/*.tgz && rm -rf /packed /root/.npm
# A run is written to the folder that is mounted, by whoever starts the container: docker run --user "$(id -u):$(id -g)" …
WORKDIR /work
ENTRYPOINT ["padnet"]
CMD ["doctor"]
