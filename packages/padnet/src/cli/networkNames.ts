/** `modelNames` of the library, without loading it. */
export const networks = ['resnet10', 'resnet18', 'resnet34', 'resnet50', 'resnet101', 'mobilenetV2'] as const;
