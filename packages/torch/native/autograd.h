// Reverse-mode differentiation: libtorch's engine, and functions and hooks whose gradient is written in TypeScript.
#pragma once

#include "environment.h"

namespace padnet {

/// backward(tensors, gradients[] | null, retainGraph, createGraph)
napi_value backward(Environment& environment, const napi_value* arguments);
/// grad(outputs, inputs, gradients[] | null, retainGraph, createGraph, allowUnused) -> (handle | null)[]
napi_value grad(Environment& environment, const napi_value* arguments);
/// setGradEnabled(enabled) -> what it was before
napi_value setGradEnabled(Environment& environment, const napi_value* arguments);
napi_value isGradEnabled(Environment& environment, const napi_value* arguments);
/// gradInfo(handle) -> {requiresGrad, isLeaf, gradFunction: string | null}
napi_value gradInfo(Environment& environment, const napi_value* arguments);
napi_value setRequiresGrad(Environment& environment, const napi_value* arguments);
napi_value getGrad(Environment& environment, const napi_value* arguments);
napi_value setGrad(Environment& environment, const napi_value* arguments);
/// registerHook(handle, (gradient) => gradient | undefined) -> id; the handle that the hook returns is taken over.
napi_value registerHook(Environment& environment, const napi_value* arguments);
napi_value removeHook(Environment& environment, const napi_value* arguments);
/// customFunction(inputs, outputs, saved, backward, name) -> outputs joined to the graph through `backward`, which is
/// called with (outputGradients, saved) and returns one gradient or null for each input, as handles that are taken
/// over.
napi_value customFunction(Environment& environment, const napi_value* arguments);

}  // namespace padnet
