import{a as e,f as t,i as n,t as r}from"./line-CRPkf8ov.js";var i=`
attribute vec2 corner;
varying vec2 place;
void main() {
  place = vec2(corner.x, 1.0 - corner.y);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`,a=`
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
}`,o=class{canvas;#e;#t;constructor(e,t){this.canvas=e;let n=e.getContext(`webgl`,{alpha:!0,premultipliedAlpha:!0,antialias:!1});if(n===null)throw Error(`This browser has no WebGL.`);this.#e=n;let r=n.createProgram();for(let[e,t]of[[n.VERTEX_SHADER,i],[n.FRAGMENT_SHADER,a]]){let i=n.createShader(e);if(i===null)throw Error(`The graphics card has gone away.`);n.shaderSource(i,t),n.compileShader(i),n.attachShader(r,i)}if(n.linkProgram(r),!n.getProgramParameter(r,n.LINK_STATUS))throw Error(n.getProgramInfoLog(r)??`The shader does not link.`);n.useProgram(r),n.bindBuffer(n.ARRAY_BUFFER,n.createBuffer()),n.bufferData(n.ARRAY_BUFFER,new Float32Array([0,0,1,0,0,1,1,1]),n.STATIC_DRAW);let o=n.getAttribLocation(r,`corner`);n.enableVertexAttribArray(o),n.vertexAttribPointer(o,2,n.FLOAT,!1,0,0),n.bindTexture(n.TEXTURE_2D,n.createTexture());for(let[e,t]of[[n.TEXTURE_MIN_FILTER,n.LINEAR],[n.TEXTURE_MAG_FILTER,n.LINEAR],[n.TEXTURE_WRAP_S,n.CLAMP_TO_EDGE],[n.TEXTURE_WRAP_T,n.CLAMP_TO_EDGE]])n.texParameteri(n.TEXTURE_2D,e,t);this.#t=n.getUniformLocation(r,`half_row`),n.uniform4fv(n.getUniformLocation(r,`ground`),t?[...t,1]:[0,0,0,0])}draw(e){let{videoWidth:t,videoHeight:n}=e;if(t===0||n<2)return;let r=this.#e;(this.canvas.width!==t||this.canvas.height!==n>>1)&&(this.canvas.width=t,this.canvas.height=n>>1,r.viewport(0,0,t,n>>1)),r.uniform1f(this.#t,.5/n),r.texImage2D(r.TEXTURE_2D,0,r.RGB,r.RGB,r.UNSIGNED_BYTE,e),r.drawArrays(r.TRIANGLE_STRIP,0,4)}},s=`first`,c=4e3,l=1e4,u=[500,1e3,2e3,3e3],d=new URLSearchParams(location.search),f=document.createElement(`video`),p=new t,m=e(`character`),h=new o(m,v(d.get(`chroma`))),g=0,_=performance.now();function v(e){if(e===null)return null;let[,t,n,r]=/^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(e)??[],i=e=>parseInt(e??`0`,16)/255,a=[i(t),i(n),i(r)];return document.body.style.background=`rgb(${a.map(e=>e*255).join(` `)})`,a}function y(){h.draw(f),g+=1,_=performance.now(),f.requestVideoFrameCallback(y)}async function b(){let{iceServers:e}=await p.config(),{signal:t}=new AbortController,i=await n(p,d.get(`session`)??s,`?packed-alpha=1`,{iceServers:e,signal:t});try{f.srcObject=i.received,f.play().catch(()=>{});let e=g;for(_=performance.now();;){await S(250);let t=g===e?l:c;if(performance.now()-_>t||r(i.connection))return}}finally{i.close(),f.srcObject=null}}async function x(){for(let e=0;;e++){let t=g;try{await b()}catch{}m.getContext(`webgl`)?.clear(WebGLRenderingContext.COLOR_BUFFER_BIT),g>t&&(e=0),await S(u[Math.min(e,u.length-1)])}}function S(e){return new Promise(t=>setTimeout(t,e))}m.addEventListener(`webglcontextlost`,e=>e.preventDefault()),m.addEventListener(`webglcontextrestored`,()=>{h=new o(m,v(d.get(`chroma`)))}),f.muted=!0,f.requestVideoFrameCallback(y),x();