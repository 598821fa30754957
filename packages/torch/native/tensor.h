// A tensor's description (shape, dtype, …), its bytes as an ArrayBuffer, and its release.
#pragma once

#include "environment.h"

namespace padnet {

/// describe(handle) -> {shape, stride, dtype, device, layout, numel, itemSize, contiguous}
napi_value describe(Environment& environment, const napi_value* arguments);
napi_value shape(Environment& environment, const napi_value* arguments);
/// version(handle) -> how often the elements were changed in place: what was computed from them is current while it
/// stands.
napi_value version(Environment& environment, const napi_value* arguments);
/// checkDevice(name): throws where there is no such device on this machine.
napi_value checkDevice(Environment& environment, const napi_value* arguments);
/// item(handle) -> the value of a tensor with one element.
napi_value item(Environment& environment, const napi_value* arguments);
/// fromBytes(view, shape, dtype) -> handle of a new CPU tensor with a copy of the view's bytes.
napi_value fromBytes(Environment& environment, const napi_value* arguments);
/// bytes(handle) -> ArrayBuffer over the memory of a contiguous CPU tensor: no copy; it keeps the memory alive.
napi_value bytes(Environment& environment, const napi_value* arguments);
/// isFinite(handle) -> whether all elements are; true for integers.
napi_value isFinite(Environment& environment, const napi_value* arguments);
/// isShared(handle) -> whether another tensor, live in JavaScript or not, uses the same storage.
napi_value isShared(Environment& environment, const napi_value* arguments);
/// release(handle | handle[]): frees; handles that are not live are passed over.
napi_value release(Environment& environment, const napi_value* arguments);
/// duplicate(handle) -> another handle of the same tensor, to be released on its own.
napi_value duplicate(Environment& environment, const napi_value* arguments);
/// externalBytes(handle) -> bytes that freeing this tensor would give back, at least.
napi_value externalBytes(Environment& environment, const napi_value* arguments);
napi_value adjustExternalMemory(Environment& environment, const napi_value* arguments);
napi_value liveTensors(Environment& environment, const napi_value* arguments);

}  // namespace padnet
