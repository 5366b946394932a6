// Stand-in for UnityEngine.CoreModule: the members that the plugins use, with the least behaviour for a fake game.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using Il2CppInterop.Runtime.InteropTypes.Arrays;

[assembly: InternalsVisibleTo("fakegame")]
[assembly: InternalsVisibleTo("UnityEngine.Modules")]

namespace UnityEngine
{
    public struct Vector2
    {
        public float x, y;

        public Vector2(float x, float y) => (this.x, this.y) = (x, y);
    }

    public struct Vector3
    {
        public float x, y, z;

        public Vector3(float x, float y, float z) => (this.x, this.y, this.z) = (x, y, z);

        public static Vector3 zero => default;
    }

    public class Object : Il2CppSystem.Object
    {
        /// <summary>What FindObjectsOfType finds; the fake game's.</summary>
        internal static readonly List<Object> Alive = new();

        public Object(IntPtr pointer) : base(pointer)
        {
        }

        protected Object()
        {
        }

        public string name { get; set; } = "";

        public int GetInstanceID() => RuntimeHelpers.GetHashCode(this);

        public static void DontDestroyOnLoad(Object target)
        {
        }

        /// <summary>Queries so far, and the most of them in one frame.</summary>
        internal static int Queries, MostQueries;

        private static float _askedS;
        private static int _askedNow;

        public static Il2CppReferenceArray<Object> FindObjectsOfType(Il2CppSystem.Type type)
        {
            Queries++;
            _askedNow = Time.unscaledTime == _askedS ? _askedNow + 1 : 1;
            _askedS = Time.unscaledTime;
            MostQueries = Math.Max(MostQueries, _askedNow);
            return new(Alive.Where(type.Managed.IsInstanceOfType).ToArray());
        }

        public static bool operator ==(Object? a, Object? b) => ReferenceEquals(a, b);

        public static bool operator !=(Object? a, Object? b) => !ReferenceEquals(a, b);

        public override bool Equals(object? other) => ReferenceEquals(this, other);

        public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
    }

    public class Component : Object
    {
        private GameObject? _gameObject;
        private Transform? _transform;

        public Component(IntPtr pointer) : base(pointer)
        {
        }

        protected Component()
        {
        }

        public Transform transform
        {
            get => _transform ??= this as Transform ?? new RectTransform();
            set => _transform = value;
        }

        public GameObject gameObject
        {
            get => _gameObject ??= new GameObject();
            set => _gameObject = value;
        }

        public T GetComponent<T>() => gameObject.Components.OfType<T>().FirstOrDefault()!;
    }

    public class Transform : Component
    {
        public Vector3 position { get; set; }

        public Vector3 eulerAngles { get; set; }

        public Transform parent { get; set; } = null!;
    }

    public class RectTransform : Transform
    {
        /// <summary>Left, bottom, width and height in the units of its canvas.</summary>
        public float Left, Bottom, Width, Height;

        public void GetWorldCorners(Il2CppStructArray<Vector3> corners)
        {
            corners[0] = new Vector3(Left, Bottom, 0);
            corners[1] = new Vector3(Left, Bottom + Height, 0);
            corners[2] = new Vector3(Left + Width, Bottom + Height, 0);
            corners[3] = new Vector3(Left + Width, Bottom, 0);
        }
    }

    public class Behaviour : Component
    {
        public Behaviour(IntPtr pointer) : base(pointer)
        {
        }

        protected Behaviour()
        {
        }
    }

    public class Coroutine : Il2CppSystem.Object
    {
    }

    public class WaitForEndOfFrame : Il2CppSystem.Object
    {
    }

    public class MonoBehaviour : Behaviour
    {
        public MonoBehaviour(IntPtr pointer) : base(pointer)
        {
        }

        protected MonoBehaviour()
        {
        }
    }

    public class ScriptableObject : Object
    {
    }

    public class GameObject : Object
    {
        internal readonly List<Component> Components = new();

        public bool activeInHierarchy { get; set; } = true;
    }

    public class Camera : Behaviour
    {
    }

    public class Rigidbody : Component
    {
        public Vector3 velocity { get; set; }
    }

    public static class Time
    {
        public static float unscaledTime { get; set; }

        public static float unscaledDeltaTime { get; set; }

        public static float fixedDeltaTime { get; set; } = 0.02f;

        public static float captureDeltaTime { get; set; }

        public static float timeScale { get; set; } = 1;
    }

    public static class Screen
    {
        public static int width { get; set; } = 1280;

        public static int height { get; set; } = 720;
    }

    public static class Application
    {
        public static bool runInBackground { get; set; }

        public static string version { get; set; } = "0";

        public static int targetFrameRate { get; set; } = -1;
    }

    public class QualitySettings : Object
    {
        public static int vSyncCount { get; set; } = 1;
    }

    public enum CursorLockMode
    {
        None = 0,
        Locked = 1,
        Confined = 2,
    }

    public static class Cursor
    {
        public static CursorLockMode lockState { get; set; }
    }

    public static class Random
    {
        internal static int Seeded { get; private set; }

        internal static int Seedings { get; private set; }

        public static void InitState(int seed) => (Seeded, Seedings) = (seed, Seedings + 1);
    }

    public enum TextureFormat
    {
        RGB24 = 3,
        RGBA32 = 4,
    }

    public class Texture : Object
    {
        public int width { get; protected set; }

        public int height { get; protected set; }
    }

    public class RenderTexture : Texture
    {
        /// <summary>RGBA, in the order in which a readback gives the rows.</summary>
        internal byte[] Pixels;

        /// <summary>
        /// What was drawn into it, by column and row, where that is no copy: only what a copy takes is computed.
        /// </summary>
        internal Func<int, int, (byte R, byte G, byte B)>? Drawn;

        private static readonly System.Collections.Generic.List<RenderTexture> Lent = new(), Pool = new();

        /// <summary>Temporary textures that were not given back.</summary>
        internal static int Out => Lent.Count;

        public static RenderTexture? active { get; set; }

        public static RenderTexture GetTemporary(int width, int height)
        {
            var texture = Pool.Find(t => t.width == width && t.height == height) ?? new RenderTexture(width, height);
            Pool.Remove(texture);
            Lent.Add(texture);
            return texture;
        }

        public static void ReleaseTemporary(RenderTexture temp)
        {
            if (!Lent.Remove(temp))
            {
                throw new ArgumentException("this texture was not lent, or was given back already");
            }
            Pool.Add(temp);
        }

        private RenderTexture(int width, int height)
        {
            (this.width, this.height) = (width, height);
            Pixels = new byte[width * height * 4];
        }
    }

    public struct Rect
    {
        public Rect(float x, float y, float width, float height)
        {
        }
    }

    public class Texture2D : Texture
    {
        private byte[] _pixels = System.Array.Empty<byte>();

        internal static bool Fails { get; set; }

        public Texture2D(int width, int height) => (this.width, this.height) = (width, height);

        public void ReadPixels(Rect source, int destX, int destY) =>
            _pixels = Fails
                ? throw new NotSupportedException("Method unstripping failed")
                : RenderTexture.active!.Pixels;

        public Il2CppStructArray<byte> GetRawTextureData()
        {
            var copy = new Il2CppStructArray<byte>(_pixels.Length);
            for (var i = 0; i < _pixels.Length; i++)
            {
                copy[i] = _pixels[i];
            }
            return copy;
        }
    }

    public static class Graphics
    {
        public static void Blit(Texture source, RenderTexture dest) =>
            Blit(source, dest, new Vector2(1, 1), new Vector2(0, 0));

        /// <summary>Nearest pixels; texture coordinates are scaled and offset, and (0, 0) is the first row.</summary>
        public static void Blit(Texture source, RenderTexture dest, Vector2 scale, Vector2 offset)
        {
            var from = (RenderTexture)source;
            for (var y = 0; y < dest.height; y++)
            {
                var v = (y + 0.5f) / dest.height * scale.y + offset.y;
                var row = Math.Clamp((int)(v * from.height), 0, from.height - 1);
                for (var x = 0; x < dest.width; x++)
                {
                    var column = Math.Clamp((int)((x + 0.5f) / dest.width * from.width), 0, from.width - 1);
                    var into = dest.Pixels.AsSpan((y * dest.width + x) * 4, 4);
                    if (from.Drawn is null)
                    {
                        from.Pixels.AsSpan((row * from.width + column) * 4, 4).CopyTo(into);
                        continue;
                    }
                    (into[0], into[1], into[2]) = from.Drawn(column, row);
                    into[3] = 255;
                }
            }
        }
    }

    public static class SystemInfo
    {
        public static bool graphicsUVStartsAtTop { get; set; } = true;
    }
}

namespace UnityEngine.SceneManagement
{
    public struct Scene
    {
        public string name => SceneManager.Name;
    }

    public static class SceneManager
    {
        public static string Name { get; set; } = "";

        public static Scene GetActiveScene() => default;
    }
}

namespace UnityEngine.Rendering
{
    public struct AsyncGPUReadbackRequest
    {
        private readonly byte[] _pixels;
        private readonly double _dueS;
        private int _asked;

        public AsyncGPUReadbackRequest(byte[] pixels)
        {
            _pixels = GC.AllocateArray<byte>(pixels.Length, pinned: true);
            pixels.CopyTo(_pixels, 0);
            _asked = 0;
            _dueS = AsyncGPUReadback.NowS + AsyncGPUReadback.DelayS;
        }

        public bool hasError => AsyncGPUReadback.Mode == "fails";

        /// <summary>True from the second question on, as on a GPU that is a frame behind.</summary>
        public bool done => ++_asked > 1 && AsyncGPUReadback.NowS >= _dueS;

        public int layerDataSize => _pixels.Length;

        public void WaitForCompletion()
        {
        }

        public unsafe IntPtr GetDataRaw(int layer) => (IntPtr)Unsafe.AsPointer(ref _pixels[0]);
    }

    public static class AsyncGPUReadback
    {
        /// <summary>How long the fake GPU takes for a picture at the least.</summary>
        internal static double DelayS { get; set; }

        /// <summary>works, fails, or crashes.</summary>
        internal static string Mode { get; set; } = "works";

        internal static double NowS => System.Diagnostics.Stopwatch.GetTimestamp()
            / (double)System.Diagnostics.Stopwatch.Frequency;

        public static AsyncGPUReadbackRequest Request(
            Texture src, int mipIndex, TextureFormat dstFormat,
            Il2CppSystem.Action<AsyncGPUReadbackRequest>? callback = null)
        {
            if (Mode == "crashes")
            {
                Environment.Exit(139);
            }
            return new(((RenderTexture)src).Pixels);
        }
    }
}
