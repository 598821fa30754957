// Batch norm, the addition of a residual and ReLU or ReLU6 in two passes over memory, and two for the gradient:
//
//     y = activation(γ (x − μ) / √(σ² + eps) + β + residual)
//
// per channel of [batch, channels, height, width], float32 or float64, channels-last or contiguous. The graph keeps x,
// and y only where there is a residual: without one, the sign that the activation saw is computed again from x.
//
// Sums run in a fixed order over blocks of fixed size, so the number of threads does not change them.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>

#include "vectorised.h"

namespace padnet {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using OptionalTensor = c10::optional<at::Tensor>;
using StringView = decltype(std::declval<const c10::IValue&>().toStringView());  // libtorch's own, or std's since

enum class Activation { kNone, kRelu, kRelu6 };

Activation activationNamed(StringView name) {
  if (name == "none") return Activation::kNone;
  if (name == "relu") return Activation::kRelu;
  TORCH_CHECK(name == "relu6", "activation must be 'none', 'relu' or 'relu6', got '", name, "'");
  return Activation::kRelu6;
}

/// NaN stays NaN.
template <Activation kActivation, class T>
PADNET_INLINE T activated(T value) {
  if (kActivation == Activation::kNone) return value;
  value = T(0) > value ? T(0) : value;
  return kActivation == Activation::kRelu6 && value > T(6) ? T(6) : value;
}

/// The gradient behind the activation of `value` (or of what it made of it); at the kinks 0, as in libtorch.
template <Activation kActivation, class T>
PADNET_INLINE T passed(T gradient, T value) {
  if (kActivation == Activation::kNone) return gradient;
  const bool stopped = kActivation == Activation::kRelu6 ? value <= T(0) || value >= T(6) : value <= T(0);
  return stopped ? T(0) : gradient;
}

// The loops see a matrix [rows, width]. Channels-last: a row is a pixel, a column a channel. Contiguous: one channel of
// one sample, cut into rows of kLanes; its one statistic stands for all columns, which kStep = 0 says.

constexpr int64_t kLanes = 64;

template <class T>
struct SumLoop {
  static PADNET_INLINE void run(const T* __restrict x, int64_t rows, int64_t width, T* __restrict sum) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * width) {
#pragma omp simd
      for (int64_t c = 0; c < width; c++) sum[c] += (x[c] + x[width + c]) + (x[2 * width + c] + x[3 * width + c]);
    }
    for (; r < rows; r++, x += width) {
#pragma omp simd
      for (int64_t c = 0; c < width; c++) sum[c] += x[c];
    }
  }
};

/// Σ (x − mean)²
template <class T, int kStep>
struct SquareLoop {
  static PADNET_INLINE void run(const T* __restrict x, int64_t rows, int64_t width, const T* __restrict mean,
                                T* __restrict sum) {
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2, x += 2 * width) {
#pragma omp simd
      for (int64_t c = 0; c < width; c++) {
        const T first = x[c] - mean[c * kStep], second = x[width + c] - mean[c * kStep];
        sum[c] += first * first + second * second;
      }
    }
    for (; r < rows; r++, x += width) {
#pragma omp simd
      for (int64_t c = 0; c < width; c++) sum[c] += (x[c] - mean[c * kStep]) * (x[c] - mean[c * kStep]);
    }
  }
};

template <class T, int kStep, Activation kActivation, bool kResidual>
struct ForwardLoop {
  static PADNET_INLINE void run(const T* __restrict x, const T* __restrict residual, T* __restrict y, int64_t rows,
                                int64_t width, const T* __restrict mean, const T* __restrict scale,
                                const T* __restrict bias) {
    for (int64_t r = 0; r < rows; r++, x += width, y += width) {
#pragma omp simd
      for (int64_t c = 0; c < width; c++) {
        T value = (x[c] - mean[c * kStep]) * scale[c * kStep] + bias[c * kStep];
        if (kResidual) value += residual[c];
        y[c] = activated<kActivation>(value);
      }
      if (kResidual) residual += width;
    }
  }
};

/// Adds up g and g (x − mean), g the gradient behind the activation, which is told from y and written to `before` where
/// there is a residual, and else told from x.
template <class T, int kStep, Activation kActivation, bool kResidual>
struct BackwardSumsLoop {
  static PADNET_INLINE void run(const T* __restrict gradient, const T* __restrict x, const T* __restrict y,
                                T* __restrict before, int64_t rows, int64_t width, const T* __restrict mean,
                                const T* __restrict scale, const T* __restrict bias, T* __restrict sum,
                                T* __restrict product) {
    for (int64_t r = 0; r < rows; r++, gradient += width, x += width) {
#pragma omp simd
      for (int64_t c = 0; c < width; c++) {
        const T centred = x[c] - mean[c * kStep];
        const T g = passed<kActivation>(gradient[c], kResidual ? y[c] : centred * scale[c * kStep] + bias[c * kStep]);
        if (kResidual) before[c] = g;
        sum[c] += g;
        product[c] += g * centred;
      }
      if (kResidual) {
        y += width;
        before += width;
      }
    }
  }
};

/// ∂x = scale g − (offset + slope (x − mean)); offset and slope only where the statistics are the batch's.
template <class T, int kStep, Activation kActivation, bool kOfBatch>
struct BackwardLoop {
  static PADNET_INLINE void run(const T* __restrict gradient, const T* __restrict x, T* __restrict result, int64_t rows,
                                int64_t width, const T* __restrict mean, const T* __restrict scale,
                                const T* __restrict bias, const T* __restrict offset, const T* __restrict slope) {
    for (int64_t r = 0; r < rows; r++, gradient += width, x += width, result += width) {
#pragma omp simd
      for (int64_t c = 0; c < width; c++) {
        const T centred = x[c] - mean[c * kStep];
        T value = passed<kActivation>(gradient[c], centred * scale[c * kStep] + bias[c * kStep]) * scale[c * kStep];
        if (kOfBatch) value -= offset[c * kStep] + slope[c * kStep] * centred;
        result[c] = value;
      }
    }
  }
};

/// How the elements of a dense [batch, channels, height, width] lie.
struct Shape {
  explicit Shape(const at::Tensor& x)
      : channels(x.size(1)),
        pixels(x.size(2) * x.size(3)),
        samples(x.size(0)),
        channelsLast(x.is_contiguous(at::MemoryFormat::ChannelsLast)) {}

  int64_t count() const { return samples * pixels; }
  at::MemoryFormat format() const {
    return channelsLast ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  }

  int64_t channels, pixels, samples;
  bool channelsLast;
};

at::MemoryFormat formatOf(const at::Tensor& x) {
  const bool last = x.is_contiguous(at::MemoryFormat::ChannelsLast) ||
                    (!x.is_contiguous() && x.suggest_memory_format() == at::MemoryFormat::ChannelsLast);
  return last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

constexpr int64_t kThreadedFrom = 1 << 15;   // elements
constexpr int64_t kBlockElements = 1 << 13;  // of a block that is summed in T, before it is added up in double; in L1
constexpr int64_t kMostChunks = 64;          // pieces of a channels-last tensor, summed on their own

/// Rows of a channels-last tensor that are summed on their own, however many threads there are.
struct Chunks {
  explicit Chunks(const Shape& shape)
      : size(std::max<int64_t>(64, (shape.count() + kMostChunks - 1) / kMostChunks)),
        count((shape.count() + size - 1) / size) {}

  int64_t size, count;
};

/// `body(chunk, from, to)`
template <class Body>
void forChunks(const Shape& shape, const Body& body) {
  const Chunks chunks(shape);
  const int64_t grain = std::max<int64_t>(1, kThreadedFrom / (chunks.size * shape.channels));
  at::parallel_for(0, chunks.count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; chunk++) {
      body(chunk, chunk * chunks.size, std::min(shape.count(), (chunk + 1) * chunks.size));
    }
  });
}

template <class Body>
void forChannels(const Shape& shape, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, kThreadedFrom / shape.count());
  at::parallel_for(0, shape.channels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; channel++) body(channel);
  });
}

/// Rows of kLanes elements of one channel of a contiguous tensor, or what is left of a plane as one row.
struct Piece {
  int64_t at, rows, width;
};

/// `body(pieces, elements)` over the elements of one channel, about kBlockElements at a time.
template <class Body>
void forBlocks(const Shape& shape, int64_t channel, const Body& body) {
  std::vector<Piece> pieces;
  int64_t elements = 0;
  const auto add = [&](const Piece& piece) {
    pieces.push_back(piece);
    elements += piece.rows * piece.width;
    if (elements < kBlockElements) return;
    body(pieces, elements);
    pieces.clear();
    elements = 0;
  };
  const int64_t whole = shape.pixels / kLanes, left = shape.pixels % kLanes;
  constexpr int64_t kRows = kBlockElements / kLanes;
  for (int64_t sample = 0; sample < shape.samples; sample++) {
    const int64_t plane = (sample * shape.channels + channel) * shape.pixels;
    for (int64_t r = 0; r < whole; r += kRows) add({plane + r * kLanes, std::min(kRows, whole - r), kLanes});
    if (left > 0) add({plane + whole * kLanes, 1, left});
  }
  if (elements > 0) body(pieces, elements);
}

template <class T>
double sumOf(const T (&lanes)[kLanes]) {
  double sum = 0;
  for (const T lane : lanes) sum += lane;
  return sum;
}

int64_t blockRows(int64_t channels) { return std::max<int64_t>(4, kBlockElements / channels); }

/// Means and sums of squared differences from them, put together from parts (Chan, Golub and LeVeque 1983).
struct Moments {
  double count = 0, mean = 0, squares = 0;

  void add(double otherCount, double otherMean, double otherSquares) {
    const double all = count + otherCount, difference = otherMean - mean;
    mean += difference * (otherCount / all);
    squares += otherSquares + difference * difference * (count * otherCount / all);
    count = all;
  }
};

template <class T>
std::vector<Moments> momentsChannelsLast(const T* x, const Shape& shape) {
  const int64_t channels = shape.channels, most = blockRows(channels), chunks = Chunks(shape).count;
  std::vector<Moments> parts(chunks * channels);
  forChunks(shape, [&](int64_t chunk, int64_t from, int64_t to) {
    std::vector<T> mean(channels), squares(channels);
    for (int64_t row = from; row < to; row += most) {
      const int64_t rows = std::min(most, to - row);
      const T* block = x + row * channels;
      std::fill(mean.begin(), mean.end(), T(0));
      std::fill(squares.begin(), squares.end(), T(0));
      runVectorised<SumLoop<T>>(block, rows, channels, mean.data());
      for (T& value : mean) value /= static_cast<T>(rows);
      runVectorised<SquareLoop<T, 1>>(block, rows, channels, const_cast<const T*>(mean.data()), squares.data());
      for (int64_t c = 0; c < channels; c++) parts[chunk * channels + c].add(rows, mean[c], squares[c]);
    }
  });
  for (int64_t chunk = 1; chunk < chunks; chunk++) {
    for (int64_t c = 0; c < channels; c++) {
      const Moments& part = parts[chunk * channels + c];
      parts[c].add(part.count, part.mean, part.squares);
    }
  }
  parts.resize(channels);
  return parts;
}

template <class T>
std::vector<Moments> momentsContiguous(const T* x, const Shape& shape) {
  std::vector<Moments> moments(shape.channels);
  forChannels(shape, [&](int64_t channel) {
    forBlocks(shape, channel, [&](const std::vector<Piece>& pieces, int64_t elements) {
      T sum[kLanes] = {}, squares[kLanes] = {};
      for (const auto& [at, rows, width] : pieces) {
        runVectorised<SumLoop<T>>(x + at, rows, width, static_cast<T*>(sum));
      }
      const T mean = static_cast<T>(sumOf(sum) / static_cast<double>(elements));
      for (const auto& [at, rows, width] : pieces) {
        runVectorised<SquareLoop<T, 0>>(x + at, rows, width, &mean, static_cast<T*>(squares));
      }
      moments[channel].add(static_cast<double>(elements), mean, sumOf(squares));
    });
  });
  return moments;
}

template <class T, Activation kActivation, bool kResidual>
void normalise(const Shape& shape, const T* x, const T* residual, T* y, const T* mean, const T* scale, const T* bias) {
  if (shape.channelsLast) {
    forChunks(shape, [&](int64_t, int64_t from, int64_t to) {
      const int64_t at = from * shape.channels;
      runVectorised<ForwardLoop<T, 1, kActivation, kResidual>>(x + at, kResidual ? residual + at : residual, y + at,
                                                               to - from, shape.channels, mean, scale, bias);
    });
  } else {
    forChannels(shape, [&](int64_t c) {
      for (int64_t sample = 0; sample < shape.samples; sample++) {
        const int64_t at = (sample * shape.channels + c) * shape.pixels;
        runVectorised<ForwardLoop<T, 0, kActivation, kResidual>>(x + at, kResidual ? residual + at : residual, y + at,
                                                                 int64_t(1), shape.pixels, mean + c, scale + c,
                                                                 bias + c);
      }
    });
  }
}

/// Per channel: Σ g, then Σ g (x − mean).
template <class T, Activation kActivation, bool kResidual>
std::vector<double> backwardSums(const Shape& shape, const T* gradient, const T* x, const T* y, T* before,
                                 const T* mean, const T* scale, const T* bias) {
  const int64_t channels = shape.channels;
  const auto past = [](auto* data, int64_t at) { return kResidual ? data + at : data; };
  if (!shape.channelsLast) {
    std::vector<double> sums(2 * channels);
    forChannels(shape, [&](int64_t c) {
      forBlocks(shape, c, [&](const std::vector<Piece>& pieces, int64_t) {
        T sum[kLanes] = {}, product[kLanes] = {};
        for (const auto& [at, rows, width] : pieces) {
          runVectorised<BackwardSumsLoop<T, 0, kActivation, kResidual>>(
              gradient + at, x + at, past(y, at), past(before, at), rows, width, mean + c, scale + c, bias + c,
              static_cast<T*>(sum), static_cast<T*>(product));
        }
        sums[c] += sumOf(sum);
        sums[channels + c] += sumOf(product);
      });
    });
    return sums;
  }
  const int64_t most = blockRows(channels), chunks = Chunks(shape).count;
  std::vector<double> parts(chunks * 2 * channels);
  forChunks(shape, [&](int64_t chunk, int64_t from, int64_t to) {
    std::vector<T> block(2 * channels);
    double* part = parts.data() + chunk * 2 * channels;
    for (int64_t row = from; row < to; row += most) {
      std::fill(block.begin(), block.end(), T(0));
      const int64_t at = row * channels;
      runVectorised<BackwardSumsLoop<T, 1, kActivation, kResidual>>(
          gradient + at, x + at, past(y, at), past(before, at), std::min(most, to - row), channels, mean, scale, bias,
          block.data(), block.data() + channels);
      for (int64_t i = 0; i < 2 * channels; i++) part[i] += block[i];
    }
  });
  for (int64_t chunk = 1; chunk < chunks; chunk++) {
    for (int64_t i = 0; i < 2 * channels; i++) parts[i] += parts[chunk * 2 * channels + i];
  }
  parts.resize(2 * channels);
  return parts;
}

template <class T, Activation kActivation, bool kOfBatch>
void backwardInput(const Shape& shape, const T* gradient, const T* x, T* result, const T* mean, const T* scale,
                   const T* bias, const T* offset, const T* slope) {
  if (shape.channelsLast) {
    forChunks(shape, [&](int64_t, int64_t from, int64_t to) {
      const int64_t at = from * shape.channels;
      runVectorised<BackwardLoop<T, 1, kActivation, kOfBatch>>(gradient + at, x + at, result + at, to - from,
                                                               shape.channels, mean, scale, bias, offset, slope);
    });
  } else {
    forChannels(shape, [&](int64_t c) {
      for (int64_t sample = 0; sample < shape.samples; sample++) {
        const int64_t at = (sample * shape.channels + c) * shape.pixels;
        runVectorised<BackwardLoop<T, 0, kActivation, kOfBatch>>(gradient + at, x + at, result + at, int64_t(1),
                                                                 shape.pixels, mean + c, scale + c, bias + c,
                                                                 offset + c, slope + c);
      }
    });
  }
}

/// `body` of the activation as a constant that a template takes.
template <class Body>
void withActivation(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::kNone:
      return body(std::integral_constant<Activation, Activation::kNone>());
    case Activation::kRelu:
      return body(std::integral_constant<Activation, Activation::kRelu>());
    case Activation::kRelu6:
      return body(std::integral_constant<Activation, Activation::kRelu6>());
  }
}

struct Options {
  bool useBatch;
  double momentum, eps;
  Activation activation;
};

struct Normalised {
  at::Tensor output;
  at::Tensor mean, inverseDeviation;  // [channels]
};

/// running ← (1 − momentum) running + momentum · value
template <class T>
void follow(const at::Tensor& running, const std::vector<double>& values, double momentum) {
  T* data = running.data_ptr<T>();
  for (size_t c = 0; c < values.size(); c++) {
    data[c] = static_cast<T>((1 - momentum) * static_cast<double>(data[c]) + momentum * values[c]);
  }
  running.unsafeGetTensorImpl()->bump_version();
}

Normalised forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& residual,
                   const at::Tensor& runningMean, const at::Tensor& runningVar, const Options& options) {
  const Shape shape(x);
  Normalised result{at::empty_like(x), at::empty_like(weight), at::empty_like(weight)};
  if (x.numel() == 0) {
    result.mean.zero_();
    result.inverseDeviation.fill_(1 / std::sqrt(options.eps));
    return result;
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "batch_norm_activation", [&] {
    const scalar_t* data = x.data_ptr<scalar_t>();
    std::vector<double> mean(shape.channels), variance(shape.channels);
    if (options.useBatch) {
      const auto moments = shape.channelsLast ? momentsChannelsLast(data, shape) : momentsContiguous(data, shape);
      std::vector<double> unbiased(shape.channels);
      for (int64_t c = 0; c < shape.channels; c++) {
        mean[c] = moments[c].mean;
        variance[c] = moments[c].squares / moments[c].count;
        unbiased[c] = moments[c].squares / (moments[c].count - 1);
      }
      if (runningMean.defined()) follow<scalar_t>(runningMean, mean, options.momentum);
      if (runningVar.defined()) follow<scalar_t>(runningVar, unbiased, options.momentum);
    } else {
      std::copy_n(runningMean.data_ptr<scalar_t>(), shape.channels, mean.begin());
      std::copy_n(runningVar.data_ptr<scalar_t>(), shape.channels, variance.begin());
    }
    std::vector<scalar_t> scale(shape.channels);
    for (int64_t c = 0; c < shape.channels; c++) {
      const double inverse = 1 / std::sqrt(variance[c] + options.eps);
      result.mean.data_ptr<scalar_t>()[c] = static_cast<scalar_t>(mean[c]);
      result.inverseDeviation.data_ptr<scalar_t>()[c] = static_cast<scalar_t>(inverse);
      scale[c] = weight.data_ptr<scalar_t>()[c] * static_cast<scalar_t>(inverse);
    }
    const auto run = [&](auto activation, auto hasResidual) {
      normalise<scalar_t, activation(), hasResidual()>(
          shape, data, hasResidual() ? residual.data_ptr<scalar_t>() : nullptr, result.output.data_ptr<scalar_t>(),
          result.mean.data_ptr<scalar_t>(), scale.data(), bias.data_ptr<scalar_t>());
    };
    withActivation(options.activation, [&](auto activation) {
      residual.defined() ? run(activation, std::true_type()) : run(activation, std::false_type());
    });
  });
  return result;
}

struct Gradients {
  at::Tensor input, weight, bias, residual;
};

/// `output`: needed only where there is both a residual and an activation.
Gradients backward(const at::Tensor& received, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                   const at::Tensor& output, const Normalised& statistics, bool hasResidual, const Options& options) {
  const Shape shape(x);
  const at::Tensor gradient = received.contiguous(shape.format());
  Gradients result{at::empty_like(x), at::empty_like(weight), at::empty_like(weight), at::Tensor()};
  const bool told = hasResidual && options.activation != Activation::kNone;
  if (told)
    result.residual = at::empty_like(x);
  else if (hasResidual)
    result.residual = gradient;
  if (x.numel() == 0) {
    result.weight.zero_();
    result.bias.zero_();
    return result;
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "batch_norm_activation_backward", [&] {
    const scalar_t* data = x.data_ptr<scalar_t>();
    const scalar_t* mean = statistics.mean.data_ptr<scalar_t>();
    const scalar_t* inverse = statistics.inverseDeviation.data_ptr<scalar_t>();
    const scalar_t* shift = bias.data_ptr<scalar_t>();
    std::vector<scalar_t> scale(shape.channels), offset(shape.channels), slope(shape.channels);
    for (int64_t c = 0; c < shape.channels; c++) scale[c] = weight.data_ptr<scalar_t>()[c] * inverse[c];

    std::vector<double> sums;
    withActivation(options.activation, [&](auto activation) {
      const scalar_t* g = gradient.data_ptr<scalar_t>();
      sums = told ? backwardSums<scalar_t, activation(), true>(shape, g, data, output.data_ptr<scalar_t>(),
                                                               result.residual.data_ptr<scalar_t>(), mean, scale.data(),
                                                               shift)
                  : backwardSums<scalar_t, activation(), false>(shape, g, data, nullptr, nullptr, mean, scale.data(),
                                                                shift);
    });
    const auto count = static_cast<double>(shape.count());
    for (int64_t c = 0; c < shape.channels; c++) {
      const double sum = sums[c], product = sums[shape.channels + c], deviation = inverse[c];
      result.bias.data_ptr<scalar_t>()[c] = static_cast<scalar_t>(sum);
      result.weight.data_ptr<scalar_t>()[c] = static_cast<scalar_t>(product * deviation);
      offset[c] = static_cast<scalar_t>(scale[c] * sum / count);
      slope[c] = static_cast<scalar_t>(scale[c] * deviation * deviation * product / count);
    }
    const auto run = [&](auto activation, auto ofBatch) {
      backwardInput<scalar_t, activation(), ofBatch()>(
          shape, (told ? result.residual : gradient).template data_ptr<scalar_t>(), data,
          result.input.data_ptr<scalar_t>(), mean, scale.data(), shift, offset.data(), slope.data());
    };
    withActivation(told ? Activation::kNone : options.activation, [&](auto activation) {
      options.useBatch ? run(activation, std::true_type()) : run(activation, std::false_type());
    });
  });
  return result;
}

/// The same gradient by libtorch's operators, for one that is differentiated again.
Gradients differentiableBackward(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                                 const at::Tensor& bias, const at::Tensor& output, const Normalised& statistics,
                                 bool hasResidual, const Options& options) {
  const auto perChannel = [](const at::Tensor& values) { return values.view({1, -1, 1, 1}); };
  const std::vector<int64_t> dims{0, 2, 3};
  at::Tensor mean = perChannel(statistics.mean), inverse = perChannel(statistics.inverseDeviation);
  if (options.useBatch) {
    mean = x.mean(dims, true);
    inverse = ((x - mean).square().mean(dims, true) + options.eps).rsqrt();
  }
  const at::Tensor normalised = (x - mean) * inverse;
  at::Tensor g = gradient;
  if (options.activation != Activation::kNone) {
    const at::Tensor seen = (hasResidual ? output : normalised * perChannel(weight) + perChannel(bias)).detach();
    at::Tensor stopped = seen.le(0);
    if (options.activation == Activation::kRelu6) stopped = stopped.logical_or(seen.ge(6));
    g = gradient.masked_fill(stopped, 0);
  }
  at::Tensor centred = g;
  if (options.useBatch) centred = g - g.mean(dims, true) - normalised * (g * normalised).mean(dims, true);
  return {perChannel(weight) * inverse * centred, (g * normalised).sum(dims), g.sum(dims),
          hasResidual ? g : at::Tensor()};
}

struct BatchNormActivation : torch::autograd::Function<BatchNormActivation> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const OptionalTensor& residual, const OptionalTensor& runningMean,
                            const OptionalTensor& runningVar, bool useBatch, double momentum, double eps,
                            int64_t activation) {
    const Options options{useBatch, momentum, eps, static_cast<Activation>(activation)};
    const Normalised result =
        padnet::forward(x, weight, bias, residual.value_or(at::Tensor()), runningMean.value_or(at::Tensor()),
                        runningVar.value_or(at::Tensor()), options);
    const bool keepsOutput = residual.has_value() && options.activation != Activation::kNone;
    context->save_for_backward(
        {x, weight, bias, keepsOutput ? result.output : at::Tensor(), result.mean, result.inverseDeviation});
    context->saved_data["residual"] = residual.has_value();
    context->saved_data["useBatch"] = useBatch;
    context->saved_data["eps"] = eps;
    context->saved_data["activation"] = activation;
    return result.output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Options options{context->saved_data["useBatch"].toBool(), 0, context->saved_data["eps"].toDouble(),
                          static_cast<Activation>(context->saved_data["activation"].toInt())};
    const auto compute = at::GradMode::is_enabled() ? differentiableBackward : padnet::backward;
    const Gradients result =
        compute(gradients[0], saved[0], saved[1], saved[2], saved[3], {at::Tensor(), saved[4], saved[5]},
                context->saved_data["residual"].toBool(), options);
    const at::Tensor none;
    return {result.input, result.weight, result.bias, result.residual, none, none, none, none, none, none};
  }
};

/// [channels] of the input's dtype, contiguous, on the CPU.
void checkPerChannel(const char* name, const at::Tensor& values, const at::Tensor& x) {
  TORCH_CHECK(values.device().is_cpu() && values.layout() == at::kStrided && values.dim() == 1 &&
                  values.size(0) == x.size(1) && values.scalar_type() == x.scalar_type() && values.is_contiguous(),
              name, " must be a contiguous ", x.scalar_type(), " [", x.size(1), "] on the CPU, got ",
              values.scalar_type(), " ", values.sizes());
}

at::Tensor batchNormActivation(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                               const OptionalTensor& residual, const OptionalTensor& runningMean,
                               const OptionalTensor& runningVar, bool useBatch, double momentum, double eps,
                               StringView activation) {
  const Activation kind = activationNamed(activation);
  TORCH_CHECK(input.device().is_cpu() && input.layout() == at::kStrided && input.dim() == 4 &&
                  (input.scalar_type() == at::kFloat || input.scalar_type() == at::kDouble),
              "input must be float32 or float64 [batch, channels, height, width] on the CPU, got ", input.scalar_type(),
              " ", input.sizes());
  checkPerChannel("weight", weight, input);
  checkPerChannel("bias", bias, input);
  if (runningMean) checkPerChannel("running_mean", *runningMean, input);
  if (runningVar) checkPerChannel("running_var", *runningVar, input);
  TORCH_CHECK(useBatch || (runningMean && runningVar), "without the batch's statistics, running ones are needed");
  const at::MemoryFormat format = formatOf(input);
  OptionalTensor added = residual;
  if (added) {
    TORCH_CHECK(added->device().is_cpu() && added->layout() == at::kStrided && added->sizes() == input.sizes() &&
                    added->scalar_type() == input.scalar_type(),
                "residual must be as the input, ", input.scalar_type(), " ", input.sizes(), ", got ",
                added->scalar_type(), " ", added->sizes());
    added = added->contiguous(format);
  }
  return BatchNormActivation::apply(input.contiguous(format), weight, bias, added, runningMean, runningVar, useBatch,
                                    momentum, eps, static_cast<int64_t>(kind));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padnet_torch, library) {
  library.def(
      "batch_norm_activation(Tensor input, Tensor weight, Tensor bias, Tensor? residual, Tensor(a!)? running_mean, "
      "Tensor(b!)? running_var, bool use_batch, float momentum, float eps, str activation) -> Tensor",
      torch::dispatch(c10::DispatchKey::CompositeImplicitAutograd, TORCH_FN(batchNormActivation)));
}

}  // namespace padnet
