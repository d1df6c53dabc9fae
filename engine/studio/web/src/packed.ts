/** Colour above, alpha below, in one video: put together again as real transparency. */

const VERTEX = `
attribute vec2 corner;
varying vec2 place;
void main() {
  place = vec2(corner.x, 1.0 - corner.y);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

// Colour is premultiplied; codecs err, so it is brought back under its alpha. Half a row is kept
// away from the seam, where interpolation would mix the halves.
const FRAGMENT = `
precision mediump float;
uniform sampler2D video;
uniform float half_row;
uniform vec4 ground;
varying vec2 place;
void main() {
  float y = clamp(place.y * 0.5, half_row, 0.5 - half_row);
  float alpha = texture2D(video, vec2(place.x, y + 0.5)).g;
  vec3 colour = min(texture2D(video, vec2(place.x, y)).rgb, alpha);
  gl_FragColor = vec4(colour, alpha) + ground * (1.0 - alpha);
}`;

export class Composer {
  #gl: WebGLRenderingContext;
  #halfRow: WebGLUniformLocation | null;

  /**
   * @param canvas takes the size of the character
   * @param ground [r, g, b], [0, 1], behind the character; null: nothing, real transparency
   * @throws Error there is no WebGL
   */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    ground: readonly [number, number, number] | null,
  ) {
    const gl = canvas.getContext("webgl", { alpha: true, premultipliedAlpha: true, antialias: false });
    if (gl === null) throw new Error("This browser has no WebGL.");
    this.#gl = gl;
    const program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(type);
      if (shader === null) throw new Error("The graphics card has gone away.");
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      throw new Error(gl.getProgramInfoLog(program) ?? "The shader does not link.");
    }
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const [name, value] of [
      [gl.TEXTURE_MIN_FILTER, gl.LINEAR],
      [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
      [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    ] as const) {
      gl.texParameteri(gl.TEXTURE_2D, name, value);
    }
    this.#halfRow = gl.getUniformLocation(program, "half_row");
    gl.uniform4fv(gl.getUniformLocation(program, "ground"), ground ? [...ground, 1] : [0, 0, 0, 0]);
  }

  /** Draw the picture that the video shows now. */
  draw(video: HTMLVideoElement): void {
    const { videoWidth: width, videoHeight: height } = video;
    if (width === 0 || height < 2) return;
    const gl = this.#gl;
    if (this.canvas.width !== width || this.canvas.height !== height >> 1) {
      this.canvas.width = width;
      this.canvas.height = height >> 1;
      gl.viewport(0, 0, width, height >> 1);
    }
    gl.uniform1f(this.#halfRow, 0.5 / height);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, video);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}
