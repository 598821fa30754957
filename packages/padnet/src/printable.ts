export { printable } from '@padnet/runtime/shared';
