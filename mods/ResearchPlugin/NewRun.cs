// A new run, from the menu or after another one: asked for as soon as the game has its data and its menu, and there
// when a map was made since and its clock went back. A game that boots or fades out is waited for, and asked again
// where nothing began, but not for ever. Main thread only.
using Assets.Scripts.Game.Other;
using Assets.Scripts.Managers;
using Assets.Scripts.Utility;
using BonkLink;

namespace ResearchPlugin;

public sealed class NewRun
{
    private const float NoTimeS = 0.1f;
    private bool _isAsked, _hasLoaded;
    private double _sinceS, _askedS;
    private long _maps;
    private float _timerS;

    /// <summary>How long a client's wish is worked at; then the game runs on by itself.</summary>
    public static double PatienceS { get; set; } = 60;

    /// <summary>A wish after which nothing began to load is told again after so long.</summary>
    public static double AgainS { get; set; } = 5;

    /// <summary>A client wants a new run.</summary>
    public void Ask(double nowS)
    {
        (_isAsked, _sinceS) = (false, nowS);
        Try(nowS);
    }

    public bool IsLate(double nowS) => nowS - _sinceS > PatienceS;

    /// <summary>True in the first frame of the new run; until then asks again where the game was not ready.</summary>
    public bool IsReady(GameScreens screens, double nowS)
    {
        _hasLoaded |= screens.Menu == MenuNames.Loading;
        var isNewMap = Seeding.CountsMaps ? Seeding.Maps > _maps : _hasLoaded || MyTime.runTimer < _timerS;
        if (!_isAsked || (nowS - _askedS > AgainS && !isNewMap && !_hasLoaded))
        {
            Try(nowS);
            return false;
        }
        var isNewTime = _timerS < NoTimeS || MyTime.runTimer < _timerS;
        return isNewMap && isNewTime && screens.Menu != MenuNames.Loading && !MapController.IsMainMenu()
            && GameManager.Instance != null && GameManager.Instance.IsPlaying();
    }

    private void Try(double nowS)
    {
        (_maps, _timerS, _hasLoaded, _askedS) = (Seeding.Maps, MyTime.runTimer, false, nowS);
        if (MapController.IsMainMenu())
        {
            Start();
        }
        else if (MapController.runConfig is not null)
        {
            _isAsked = true;
            MapController.RestartRun();
        }
    }

    private void Start()
    {
        var data = DataManager.Instance;
        if (data == null || data.maps is not { Count: > 0 } maps)
        {
            return;
        }
        _isAsked = true;
        MapController.StartNewMap(new RunConfig
        {
            mapData = maps[0], stageData = maps[0].stages[0]!, mapTierIndex = 0, musicTrackIndex = -1,
        });
    }
}
