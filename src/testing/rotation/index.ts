/**
 * The stage of tests about rotation and erasure: a database with a registered table of sealed notes, and nodes over it.
 *
 * @module
 */
export { NOTES, type RotationNode, type RotationStage, rotationStage } from "./stage.ts";
