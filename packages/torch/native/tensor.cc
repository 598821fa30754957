#include "tensor.h"

#include <cstring>

#include "values.h"

namespace padnet {

namespace {

void set(napi_env env, napi_value object, const char* key, napi_value value) {
  napi_set_named_property(env, object, key, value);
}

/// Whether the memory holds other numbers than the tensor: those are negated or conjugated only when they are read.
bool isLazy(const at::Tensor& tensor) { return tensor.is_neg() || tensor.is_conj(); }

}  // namespace

napi_value describe(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  const at::Tensor& tensor = toTensor(environment, arguments[0]);
  const bool strided = tensor.layout() == at::kStrided;
  napi_value object = nullptr;
  napi_create_object(env, &object);
  set(env, object, "shape", fromInt64List(env, tensor.sizes()));
  set(env, object, "stride", strided ? fromInt64List(env, tensor.strides()) : null(env));
  set(env, object, "dtype", fromString(env, scalarTypeName(tensor.scalar_type())));
  set(env, object, "device", fromString(env, tensor.device().str()));
  set(env, object, "numel", fromInt64(env, tensor.numel()));
  set(env, object, "itemSize", fromInt64(env, static_cast<int64_t>(tensor.element_size())));
  set(env, object, "contiguous", fromBool(env, strided && tensor.is_contiguous()));
  set(env, object, "lazy", fromBool(env, isLazy(tensor)));
  return object;
}

napi_value shape(Environment& environment, const napi_value* arguments) {
  return fromInt64List(environment.env, toTensor(environment, arguments[0]).sizes());
}

napi_value version(Environment& environment, const napi_value* arguments) {
  return fromInt64(environment.env, static_cast<int64_t>(toTensor(environment, arguments[0])._version()));
}

napi_value checkDevice(Environment& environment, const napi_value* arguments) {
  toDevice(environment.env, arguments[0]);
  return undefined(environment.env);
}

napi_value item(Environment& environment, const napi_value* arguments) {
  return fromIValue(environment, toTensor(environment, arguments[0]).item());
}

napi_value fromBytes(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  napi_value buffer = nullptr;
  size_t offset = 0;
  if (napi_get_typedarray_info(env, arguments[0], &type, &length, &data, &buffer, &offset) != napi_ok) {
    throw TypeError("expected a typed array");
  }
  const bool eightBytes = type == napi_float64_array || type == napi_bigint64_array || type == napi_biguint64_array;
  const bool fourBytes = type == napi_float32_array || type == napi_int32_array || type == napi_uint32_array;
  const bool twoBytes = type == napi_int16_array || type == napi_uint16_array;
  const size_t byteLength = length * (eightBytes ? 8 : fourBytes ? 4 : twoBytes ? 2 : 1);

  const std::vector<int64_t> sizes = toInt64List(env, arguments[1]);
  const at::ScalarType dtype = toScalarType(env, arguments[2]);
  // Checked before allocating: a shape never asks for more memory than the data has.
  double numel = 1;
  for (int64_t size : sizes) {
    TORCH_CHECK(size >= 0, "shape ", at::IntArrayRef(sizes), " has a negative size");
    numel *= static_cast<double>(size);
  }
  const auto itemSize = static_cast<double>(c10::elementSize(dtype));
  TORCH_CHECK(numel * itemSize == static_cast<double>(byteLength), "shape ", at::IntArrayRef(sizes), " of ",
              scalarTypeName(dtype), " needs ", numel * itemSize, " bytes, the data has ", byteLength);
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(dtype));
  if (byteLength > 0) std::memcpy(tensor.data_ptr(), data, byteLength);
  return fromTensor(environment, std::move(tensor));
}

napi_value bytes(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  const at::Tensor& tensor = toTensor(environment, arguments[0]);
  TORCH_CHECK(tensor.layout() == at::kStrided && tensor.device().is_cpu() && tensor.is_contiguous(),
              "only a contiguous CPU tensor has its memory in one ArrayBuffer");
  TORCH_CHECK(!isLazy(tensor), "the memory does not hold its elements: they are ",
              tensor.is_neg() ? "negated" : "conjugated", " when they are read; take the data of its clone()");
  napi_value buffer = nullptr;
  if (tensor.nbytes() == 0) {
    void* data = nullptr;
    napi_create_arraybuffer(env, 0, &data, &buffer);
    return buffer;
  }
  // A resize would free the memory under the ArrayBuffer: forbid it from here on.
  tensor.storage().unsafeGetStorageImpl()->set_resizable(false);
  auto* owner = new at::Tensor(tensor.detach());
  const napi_status status = napi_create_external_arraybuffer(
      env, owner->data_ptr(), owner->nbytes(),
      [](napi_env, void*, void* hint) { delete static_cast<at::Tensor*>(hint); }, owner, &buffer);
  if (status != napi_ok) {
    delete owner;
    throw std::runtime_error("this JavaScript runtime allows no ArrayBuffer over native memory");
  }
  return buffer;
}

napi_value isFinite(Environment& environment, const napi_value* arguments) {
  const at::Tensor& tensor = toTensor(environment, arguments[0]);
  const bool exact = !at::isFloatingType(tensor.scalar_type()) && !at::isComplexType(tensor.scalar_type());
  return fromBool(environment.env, exact || tensor.detach().isfinite().all().item<bool>());
}

napi_value isShared(Environment& environment, const napi_value* arguments) {
  const at::Tensor& tensor = toTensor(environment, arguments[0]);
  return fromBool(environment.env, tensor.use_count() > 1 || !tensor.has_storage() || tensor.storage().use_count() > 1);
}

napi_value release(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  bool isArray = false;
  napi_is_array(env, arguments[0], &isArray);
  if (!isArray) {
    environment.tensors.remove(toDouble(env, arguments[0], "a tensor"));
    return undefined(env);
  }
  uint32_t length = 0;
  napi_get_array_length(env, arguments[0], &length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element = nullptr;
    double handle = -1;
    napi_get_element(env, arguments[0], i, &element);
    if (napi_get_value_double(env, element, &handle) == napi_ok) environment.tensors.remove(handle);
  }
  return undefined(env);
}

napi_value duplicate(Environment& environment, const napi_value* arguments) {
  return fromTensor(environment, toTensor(environment, arguments[0]));
}

napi_value externalBytes(Environment& environment, const napi_value* arguments) {
  const at::Tensor& tensor = toTensor(environment, arguments[0]);
  const bool only = tensor.has_storage() && tensor.use_count() == 1 && tensor.storage().use_count() == 1;
  return fromInt64(environment.env, only ? static_cast<int64_t>(tensor.storage().nbytes()) : 0);
}

napi_value adjustExternalMemory(Environment& environment, const napi_value* arguments) {
  const int64_t change = toInt64(environment.env, arguments[0]);
  constexpr int64_t kMost = int64_t{1} << 40;
  TORCH_CHECK(change >= -kMost && change <= kMost, "no tensor has ", change, " bytes");  // V8 would end the process
  int64_t total = 0;
  napi_adjust_external_memory(environment.env, change, &total);
  return fromInt64(environment.env, total);
}

napi_value liveTensors(Environment& environment, const napi_value*) {
  return fromInt64(environment.env, static_cast<int64_t>(environment.tensors.live()));
}

}  // namespace padnet
