export * from './loadRecipe.js';
export * from './pinCode.js';
export * from './recipe.js';
export { recipeSettings } from './recipeSettings.js';
